console.log('daemon');
